#!/usr/bin/env python3
"""The row of the queue service's client in boto3: eight threads of one client, as bench/sqs.c has
eight tasks.  boto3_client.py ROW|--list.
"""
import concurrent.futures
import os
import resource
import sys
import time

CLIENTS, BATCH, MESSAGES, BODY = 8, 10, 4000, "x" * 100


def count(n, least):
    return max(n // int(os.environ.get("BENCH_SCALE", "1")), least)


def used():
    """Seconds of processor time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def send_some(client, url):
    answer = client.send_message_batch(QueueUrl=url, Entries=[
        {"Id": str(i), "MessageBody": BODY} for i in range(BATCH)])
    assert len(answer["Successful"]) == BATCH


def take_some(client, url):
    messages = client.receive_message(QueueUrl=url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=1,
                                      AttributeNames=["All"],
                                      MessageAttributeNames=["All"])["Messages"]
    answer = client.delete_message_batch(QueueUrl=url, Entries=[
        {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)])
    assert len(answer["Successful"]) == BATCH


def work_on(pool, client, urls, n):
    batches = iter(range(n // BATCH))  # those that nobody has begun with

    def work(url):
        for _ in batches:
            send_some(client, url)
            take_some(client, url)
    list(pool.map(work, urls))


def main(arguments):
    if arguments == ["--list"]:
        print("sqs")
        return
    if arguments != ["sqs"]:
        sys.exit("usage: boto3_client.py --list | sqs")
    import boto3
    client = boto3.client("sqs", endpoint_url=os.environ["BENCH_SQS"], region_name="us-east-1",
                          aws_access_key_id="key", aws_secret_access_key="secret")
    urls = [client.create_queue(QueueName=f"bench-{os.getpid()}-{i}")["QueueUrl"]
            for i in range(CLIENTS)]
    n = count(MESSAGES // BATCH, CLIENTS) * BATCH
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        work_on(pool, client, urls, CLIENTS * BATCH)
        began, before = time.perf_counter(), used()
        work_on(pool, client, urls, n)
        print(f"sqs\t{n / (time.perf_counter() - began) / 1e3:.6g}")
        print(f"sqs-cpu\t{(used() - before) * 1e6 / n:.6g}")
    for url in urls:
        client.delete_queue(QueueUrl=url)


if __name__ == "__main__":
    main(sys.argv[1:])
