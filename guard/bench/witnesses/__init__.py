"""What second opinions cost: the guard with them and without, in turns; do the engine's verdicts come later?"""
