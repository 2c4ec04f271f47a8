"""Before a run: what the machine can carry, and what the profile cannot tell.

The target is looked at by `loadkit.net.preflight.preflight`."""
