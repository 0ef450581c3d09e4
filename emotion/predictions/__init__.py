"""What an answer is: the prediction for a face, and what makes its probabilities honest."""
