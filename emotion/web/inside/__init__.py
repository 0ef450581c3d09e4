"""What is known of Gradio's inside: each file says what would go wrong without it, and when it can go."""
