"""Neural networks that read wells: backbones, staged training, checkpoints and inference.

Belongs here: everything between a tensor of pseudo-RGB images and a raw viability per well. Keras is
imported inside functions only. Does not belong here: making tensors (`phenodose.plates.tensors`) and
normalising raw viability to the controls (`phenodose.viability`).
"""

from phenodose.learning.tf_logging import quieten_tensorflow

quieten_tensorflow()
