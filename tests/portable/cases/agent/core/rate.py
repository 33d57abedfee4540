from agent.core.rate import Bucket

bucket = Bucket(3, 0.5)
for at in range(12):
    wait_s = bucket.wait_s(at, 1)
    print(at, wait_s)
    if wait_s == 0:
        bucket.spend(at, 1)
print(bucket.wait_s(11, 100))
