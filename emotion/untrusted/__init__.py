"""What strangers send is opened here, in separate processes that may crash, hang or be taken over.

Covered: pictures, clips and networks (`model.tflite`) of visitors. Such a process has a limit on memory and
on processor time, opens no file and no connection, sees no token in its environment, and gives up root's
rights. Messages are JSON and arrays of numbers, never pickles, and what the process answers is checked: one
that was taken over can give wrong pixels or probabilities, no more. A crash or a limit affects only the
request that caused it, which gets a message.

Covered in part: pulls from the Hub end in time and have a limit on memory and size. They need files and the
network, so they keep the program's rights.

Not covered: files that the computer's owner names on the command line or as the host's model (of which only
the first face is tried here), faults of the operating system's kernel, and timing. On Windows the processes
are separate but have no limits.
"""
