"""Settings as people write them: TOML, `--set KEY=VALUE`, durations, and what is wrong with them.

One reader for profiles, the simulator's dials and planning flags. It knows none of them: what may
be written stands in the models that it is given.
"""
