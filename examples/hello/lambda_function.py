"""The smallest useful function: greets whoever the event names, and says where it runs."""
import os
import platform


def lambda_handler(event, context):
    name = event.get("name", "world")
    print(f"greeting {name}")
    return {
        "message": f"Hello, {name}!",
        "python": platform.python_version(),
        "memory_mb": int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]),
        "milliseconds_left": context.get_remaining_time_in_millis(),
    }
