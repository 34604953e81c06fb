"""What the 3-D face generator is made of: the mesh, its correspondence to landmarks, the head around it, its looks.

model -> correspondence -> head -> looks say what is drawn, fitting what moves it, rasterizer and shading how.
"""
