# SPDX-License-Identifier: MIT
"""Jobs with needs, in an order that holds."""


def order(jobs):
    """Names such that each comes after what it needs: {name: [needs]}."""
    done = []
    for name in sorted(jobs):
        for need in jobs[name]:
            if need not in done:
                done.append(need)
        if name not in done:
            done.append(name)
    return done
