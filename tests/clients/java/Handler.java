// The handler that tests/clients/README.md describes.
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.HashMap;
import java.util.Map;

public class Handler implements RequestHandler<Map<String, Object>, Object> {
    public Handler() {
        if (System.getenv("STOKE_TEST_INIT_ERROR") != null)
            throw new IllegalStateException("no init on purpose");
    }

    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
        switch ((String) event.get("do")) {
        case "fail":
            throw new IllegalArgumentException("on purpose");
        case "big":
            return "b".repeat(((Number) event.get("bytes")).intValue() - 2);
        default:
            Map<String, Object> answer = new HashMap<>();
            answer.put("value", event.get("value"));
            answer.put("requestId", context.getAwsRequestId());
            answer.put("custom", context.getClientContext() == null ? null : context.getClientContext().getCustom());
            return answer;
        }
    }
}
