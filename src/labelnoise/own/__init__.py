"""A user's own labels: the commands ``labelnoise estimate`` and ``labelnoise train``, and what they are made of.

Reading and checking files takes NumPy, PyArrow and Pillow alone; what computes is imported once there is something to
compute, so that a mistake is answered at once.
"""
