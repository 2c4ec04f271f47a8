"""What `loadkit` runs Locust with, each in a process of its own: `python -m loadkit.start_locust`.

Not in `loadkit.swarm`, which cannot be imported without Locust: what is here comes before that.
"""

from loadkit.machine import quick_start

if __name__ == "__main__":
    quick_start.begin()
    with quick_start.entry_points_read_once():
        from loadkit.swarm.locust_internals import start

    start.main()
