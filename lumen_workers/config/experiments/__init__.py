"""The files of the experiments, each with its own model."""
