r"""Layers of a network together: the second of two stages.

Each layer is fitted by itself first. What its spectrum says of one quantity (kappa/N, the correlation, ...) is then the
density of its posterior over that of its prior, a function of one number (:mod:`.site`). All layers' quantities follow
a hierarchical model (:mod:`.model`), each quantity one of its own: normal effects of kinds, depths, models, layers,
training runs and steps. Normal forms of the layers' likelihoods let NUTS walk on few parameters, the layers integrated
out (:mod:`.nested_normals`), and what they cost is corrected afterwards (:mod:`.draws`). So draws are those of the
joint posterior of all layers in a quantity (two stages: Lunn, Barrett, Sweeting & Thompson 2013, J. R. Stat. Soc. C 62,
551).
"""
