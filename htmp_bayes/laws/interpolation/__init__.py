"""Many points of one law from few: polynomials between evaluations, and transforms of a density on a grid."""
