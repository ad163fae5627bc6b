"""Event source mappings through boto3: the records; nothing is polled yet."""
import threading

from botocore.exceptions import ClientError
from conftest import error_of, without

QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-01-01T00:00:00.000"
STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/s"


def test_a_queue(client, function):
    arn = client.get_function_configuration(FunctionName=function)["FunctionArn"]
    made = client.create_event_source_mapping(FunctionName=function, EventSourceArn=QUEUE)
    uuid = made["UUID"]
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert without(made, "LastModified") == {
        "UUID": uuid, "BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "EventSourceArn": QUEUE, "FunctionArn": arn,
        "FunctionResponseTypes": [], "State": "Creating", "StateTransitionReason": "USER_INITIATED",
        "EventSourceMappingArn": f"arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}"}
    assert without(client.get_event_source_mapping(UUID=uuid)) == {**without(made), "State": "Enabled"}
    assert client.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    assert client.get_event_source_mapping(UUID=uuid)["State"] == "Disabled"
    changed = client.update_event_source_mapping(UUID=uuid, BatchSize=100, MaximumBatchingWindowInSeconds=5,
                                                 FunctionResponseTypes=["ReportBatchItemFailures"], ScalingConfig={"MaximumConcurrency": 7})
    assert changed["State"] == "Updating" and changed["BatchSize"] == 100
    got = client.get_event_source_mapping(UUID=uuid)
    assert got["State"] == "Disabled" and got["ScalingConfig"] == {"MaximumConcurrency": 7}
    assert "ScalingConfig" not in client.update_event_source_mapping(UUID=uuid, ScalingConfig={}, Enabled=True)
    assert client.update_event_source_mapping(UUID=uuid, FunctionName=f"{function}:live")["FunctionArn"] == arn + ":live"
    gone = client.delete_event_source_mapping(UUID=uuid)
    assert gone["State"] == "Deleting" and gone["UUID"] == uuid
    for call in (client.get_event_source_mapping, client.delete_event_source_mapping, client.update_event_source_mapping):
        assert error_of(call, UUID=uuid) == ("ResourceNotFoundException", "The resource you requested does not exist.")


def test_streams(client, function):
    made = client.create_event_source_mapping(FunctionName=f"{function}:1", EventSourceArn=TABLE, StartingPosition="LATEST",
                                              FilterCriteria={"Filters": [{"Pattern": '{"a": [1]}'}]}, Tags={"a": "1"}, Enabled=False)
    assert without(made, "UUID", "LastModified", "EventSourceMappingArn", "FunctionArn") == {
        "BatchSize": 100, "BisectBatchOnFunctionError": False, "DestinationConfig": {"OnFailure": {}}, "EventSourceArn": TABLE,
        "FilterCriteria": {"Filters": [{"Pattern": '{"a": [1]}'}]}, "FunctionResponseTypes": [],
        "LastProcessingResult": "No records processed", "MaximumBatchingWindowInSeconds": 0, "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1, "ParallelizationFactor": 1, "StartingPosition": "LATEST", "State": "Creating",
        "StateTransitionReason": "User action", "TumblingWindowInSeconds": 0}
    assert made["FunctionArn"].endswith(f":{function}:1")
    assert client.get_event_source_mapping(UUID=made["UUID"])["State"] == "Disabled"
    assert client.list_tags(Resource=made["EventSourceMappingArn"])["Tags"] == {"a": "1"}
    client.untag_resource(Resource=made["EventSourceMappingArn"], TagKeys=["a"])
    assert client.list_tags(Resource=made["EventSourceMappingArn"])["Tags"] == {}
    timed = client.create_event_source_mapping(FunctionName=function, EventSourceArn=STREAM, StartingPosition="AT_TIMESTAMP",
                                               StartingPositionTimestamp=1767225600)
    assert timed["StartingPositionTimestamp"].timestamp() == 1767225600
    kafka = client.create_event_source_mapping(FunctionName=function, Topics=["topic"], StartingPosition="LATEST", SelfManagedEventSource={
        "Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["k.example:9092"]}})
    assert kafka["SelfManagedKafkaEventSourceConfig"] == {"ConsumerGroupId": kafka["UUID"]}


def test_lists(client, function, name):
    queues = [f"{QUEUE}-{name}-{i}" for i in range(3)]
    made = [client.create_event_source_mapping(FunctionName=function, EventSourceArn=queue)["UUID"] for queue in queues]
    made.append(client.create_event_source_mapping(FunctionName=f"{function}:live", EventSourceArn=queues[0])["UUID"])

    def listed(**params):
        pages = client.get_paginator("list_event_source_mappings").paginate(PaginationConfig={"PageSize": 2}, **params)
        return [m["UUID"] for page in pages for m in page["EventSourceMappings"]]

    assert sorted(listed(FunctionName=function)) == sorted(made)
    assert listed(FunctionName=f"{function}:live") == [made[3]]
    assert sorted(listed(EventSourceArn=queues[0])) == sorted([made[0], made[3]])
    assert listed(FunctionName=function, EventSourceArn=queues[1]) == [made[1]]
    assert listed(FunctionName="absent") == []
    assert set(made) <= set(listed())


def test_a_page_has_a_hundred(make_stoke, name):
    stoke = make_stoke()
    client = stoke.client()
    client.create_function(**stoke.function(name))
    made = {client.create_event_source_mapping(FunctionName=name, EventSourceArn=f"{QUEUE}-{i}")["UUID"] for i in range(101)}
    for params in ({}, {"MaxItems": 10000}):
        first = client.list_event_source_mappings(**params)
        rest = client.list_event_source_mappings(Marker=first["NextMarker"], **params)
        assert [len(page["EventSourceMappings"]) for page in (first, rest)] == [100, 1] and "NextMarker" not in rest
        assert {m["UUID"] for page in (first, rest) for m in page["EventSourceMappings"]} == made


def test_ages_of_records(client, function):
    create, update = client.create_event_source_mapping, client.update_event_source_mapping
    params = {"FunctionName": function, "EventSourceArn": STREAM + "-aged", "StartingPosition": "LATEST"}
    wrong = ("InvalidParameterValueException", "MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)")
    for age in (0, 59):
        assert error_of(create, **params, MaximumRecordAgeInSeconds=age) == wrong
    made = create(**params, MaximumRecordAgeInSeconds=60)
    assert made["MaximumRecordAgeInSeconds"] == 60
    assert error_of(update, UUID=made["UUID"], MaximumRecordAgeInSeconds=59) == wrong
    for age in (604800, -1):
        assert update(UUID=made["UUID"], MaximumRecordAgeInSeconds=age)["MaximumRecordAgeInSeconds"] == age


def test_errors(client, function):
    create = client.create_event_source_mapping

    def refused(**params):
        code, message = error_of(create, **{"FunctionName": function, **params})
        assert code == "InvalidParameterValueException", (code, message)
        return message

    assert refused() == refused(EventSourceArn="arn:aws:s3:::b") == "Unrecognized event source."
    for absent in ["absent", f"{function}:no", f"{function}:9"]:
        assert refused(FunctionName=absent, EventSourceArn=QUEUE) == "Function does not exist"
    unsupported = "Unsupported %s parameter for given event source mapping type."
    assert refused(EventSourceArn=QUEUE, ParallelizationFactor=2) == unsupported % "ParallelizationFactor"
    assert refused(EventSourceArn=QUEUE, DestinationConfig={"OnFailure": {"Destination": QUEUE}}) == unsupported % "DestinationConfig"
    assert refused(EventSourceArn=STREAM, StartingPosition="LATEST", DestinationConfig={"OnFailure": {}}) == (
        "The Destination field is required for an OnFailure configuration.")
    assert refused(EventSourceArn=STREAM, StartingPosition="LATEST", Queues=["q"]) == unsupported % "Queues"
    assert refused(EventSourceArn=STREAM) == (
        "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")
    assert refused(EventSourceArn=TABLE, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=1) == (
        f"Unsupported starting position for arn type: {TABLE}")
    assert "StartingPositionTimestamp" in refused(EventSourceArn=STREAM, StartingPosition="AT_TIMESTAMP")
    for pattern in ["no", "[1]", ""]:
        assert refused(EventSourceArn=QUEUE, FilterCriteria={"Filters": [{"Pattern": pattern}]}) == "Invalid filter pattern definition."
    window = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
    assert refused(EventSourceArn=QUEUE, BatchSize=11) == window
    assert "FIFO" in refused(EventSourceArn=QUEUE + ".fifo", MaximumBatchingWindowInSeconds=1)
    uuid = create(FunctionName=function, EventSourceArn=QUEUE)["UUID"]
    assert error_of(create, FunctionName=function, EventSourceArn=QUEUE) == (
        "ResourceConflictException", f'An event source mapping with SQS arn (" {QUEUE} ") and function (" {function} ") already exists. '
        f"Please update or delete the existing mapping with UUID {uuid}")
    assert error_of(client.update_event_source_mapping, UUID=uuid, BatchSize=20) == ("InvalidParameterValueException", window)
    assert error_of(client.update_event_source_mapping, UUID=uuid, FunctionName="absent")[1] == "Function does not exist"
    assert client.get_event_source_mapping(UUID=uuid)["BatchSize"] == 10
    first = create(FunctionName=function, EventSourceArn=STREAM, StartingPosition="LATEST")["UUID"]
    assert error_of(create, FunctionName=function, EventSourceArn=STREAM, StartingPosition="TRIM_HORIZON") == (
        "ResourceConflictException", f'The event source arn (" {STREAM} ") and function (" {function} ") provided mapping already exists. '
        f"Please update or delete the existing mapping with UUID {first}")


def test_one_winner_and_a_kill(make_stoke, name):
    stoke = make_stoke()
    client = stoke.client()
    client.create_function(**stoke.function(name))
    results = []

    def create():
        try:
            results.append(stoke.client().create_event_source_mapping(FunctionName=name, EventSourceArn=QUEUE)["UUID"])
        except ClientError as error:
            results.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=create) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("ResourceConflictException") == 15
    stoke.process.kill()
    stoke.process.wait()
    stoke.start()
    listed = client.list_event_source_mappings()["EventSourceMappings"]
    assert [m["UUID"] for m in listed] == [r for r in results if "-" in r]
    assert listed[0]["State"] == "Enabled"
