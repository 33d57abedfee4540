from agent.core import backoff

for attempt in (-1, 0, 1, 2, 3, 10, 1000):
    print(attempt, [int(backoff.delay_s(attempt, 2, 600, fraction) * 1000) for fraction in (0.0, 0.25, 0.5, 0.999)])
print([int(backoff.spread_s(asked, fraction) * 1000) for asked in (0.0, 10.0) for fraction in (0.0, 0.25, 0.999)])
