"""One network for each person, learnt from nothing but that person's frames (PSM: Tazi, Berger and Freiwald, 2022)."""
