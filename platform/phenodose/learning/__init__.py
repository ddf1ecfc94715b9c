"""Neural networks that read wells: backbones, staged training, checkpoints and inference.

Belongs here: everything between a tensor of pseudo-RGB images and a raw viability per well. Keras is
imported inside functions only. Does not belong here: making tensors (`phenodose.plates.tensors`) and
normalising raw viability to the controls (`phenodose.viability`).
"""
