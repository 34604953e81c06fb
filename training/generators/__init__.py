"""Generators: pictures of any target moved by any driver.

    targets = TargetSet.load(path)                                  # targets.py: gray, canonical framing
    warp = MeshWarp(targets).to(device)                             # mesh_warp_torch.py, batched
    views = random_views(batch, generator, device)                  # crop and background, constant over a clip
    clips = warp.render(target_index, motion, head, views)          # float (B, T, 128, 128), 0-255

`face_mesh_torch.FaceMeshRenderer` takes the same call and draws shaded 3-D people by seed; it needs ICT-FaceKit's mesh.

`mesh_warp.FaceWarp` is the same warp for one target in numpy and OpenCV, for machines without torch.
"""
