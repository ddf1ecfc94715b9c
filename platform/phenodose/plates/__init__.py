"""Images on disk: raw TIFF planes in, OME-Zarr plates and network tensors out.

Belongs here: reading TIFF pages (`tiff`), planning and writing a plate (`plan`, `ngff`, `pyramid`, `shard`,
`well_writer`, `raw_file_stats`, `ingest`), reading it back (`plate`), checking it (`verify`), the index
of planes (`plane_index`) and the pseudo-RGB tensors (`tensors`). Does not belong here: file names of a microscope
(reader plugins) and where a plate lies in the store (`phenodose.store.store`).
"""
