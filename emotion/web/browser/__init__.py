"""The engine that runs in the visitor's browser, in JavaScript, and the static page around it.

`engine/` holds plain ES modules. Here is what Python gives them: the numbers that it owns, and their files.
"""
