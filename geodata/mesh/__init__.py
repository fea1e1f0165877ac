"""Buildings and slopes as meshes: made, judged and written; pure, what they need is passed in.

Axes. Everything here is metres east, north and up from an origin (``plane``). A GLB is glTF 2.0's
right-handed, +Y up, +Z forward: ``glb`` writes (east, up, -north), so +X is east, +Y up and +Z
south, and who stands before a model looks north.
"""
