"""Discrete facial codes: a frame's expression as a sum of a few templates out of one codebook (DFE; Tran et al., 2025).

quantizer -> network -> fitting say how codes are learnt; templates, displacement, words and pictures what a code is;
histograms and what builds on them (traits, drivers, witness) what codes tell about people.
"""
