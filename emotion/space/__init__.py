"""The app on the Hub, as a Space: what that consists of, its card, one commit, waiting for its build."""
