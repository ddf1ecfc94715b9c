"""A screen that is read several times: growth between readings, and what each drug does over time.

Belongs here: functions of readings over time. Does not belong here: files (`phenodose.screens.time_points`), the order
of steps (`phenodose.pipeline.time_courses`), and viability of one reading (`phenodose.viability`).
"""
