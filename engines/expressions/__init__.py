"""What a face does, in numbers: MediaPipe's blendshape scores, signals from its landmarks, series of both in time.

face_landmarker.py  finds the face of a picture; needs MediaPipe, which only it imports
no_network.py       keeps MediaPipe from calling home
signals.py          478 points -> 17 signals of brows, eyes, mouth and nose
series.py           samples in time -> windows at one rate
"""
