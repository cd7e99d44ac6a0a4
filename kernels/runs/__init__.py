"""What only runs things.  The modules are the room's doors:

``loop``        long runs: steps, snapshots, resumable
``checkpoint``  a run's state on disk
``files``       writes that are whole or not at all
``progress``    progress bars
``sources``     which source files a result depends on

None is imported before it is asked for: ``sources`` needs no torch.
"""

from kernels import at_first_use

__all__ = ["checkpoint", "files", "loop", "progress", "sources"]
__getattr__ = at_first_use(__name__, __all__)
