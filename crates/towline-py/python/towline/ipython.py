"""Jobs for IPython and Jupyter: ``%load_ext towline``."""
