"""Is what arrives fresh video of somebody, or no video, a still picture, a loop, a starved or a misdated stream?

The participant is the adversary, and the engine judges motion only: a replayed clip of the enrolled driver passes it.
So the video itself is watched. `watch.LivenessWatch` puts the parts together; all are pure and are given the time.
"""
