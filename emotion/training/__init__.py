"""From labelled pictures to a saved model: networks, fitting, distillation, evaluation, runs."""
