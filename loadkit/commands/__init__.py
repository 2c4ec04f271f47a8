"""The commands of `loadkit`: what each takes, beside what it does with that.

Each imports what it needs as it is called: `loadkit simulate` has no use for Locust, nor have the
others for aiohttp.
"""
