"""Generators: pictures of any target moved by any driver.

    targets = TargetSet.load(path)                                  # targets.py: gray, canonical framing
    generator = make_generator("thin_plate", targets, device)       # generator.py: names and the common protocol
    views = random_views(batch, random, device)                     # views.py: what is constant over a clip
    clips = generator.render(target_index, motion, head, views)     # float (B, T, 128, 128), 0-255

Three of them warp a photograph, layer by layer (layered_warp.py), and differ in the map and so in their artefacts:
local smooth fields (mesh_warp_torch.py), one thin plate (thin_plate_torch.py), triangles (piecewise_affine_torch.py).
`mesh_warp.FaceWarp` is the first for one target in numpy and OpenCV, for machines without torch.
`face_mesh_torch.FaceMeshRenderer` takes the same call and draws shaded 3-D people by seed; it needs ICT-FaceKit's mesh.
"""
