"""The handler of the rehearsal: what it touches, a worker need not fault in later."""


def handler(event, context):
    return {"statusCode": 200, "body": event["rehearsal"], "left": context.get_remaining_time_in_millis()}
