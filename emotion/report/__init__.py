"""How good a model is: metrics, the report, its plots and the model card."""
