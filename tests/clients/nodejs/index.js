// The handler that tests/clients/README.md describes; with "stream" it streams its answer.
if ("STOKE_TEST_INIT_ERROR" in process.env)
    throw new TypeError("no init on purpose");

exports.handler = async (event, context) => {
    if (event.do === "fail")
        throw new RangeError("on purpose");
    if (event.do === "big")
        return "b".repeat(event.bytes - 2);
    const custom = context.clientContext ? context.clientContext.custom : null;
    return { value: event.value, requestId: context.awsRequestId, custom };
};

exports.streaming = typeof awslambda === "undefined" ? undefined : awslambda.streamifyResponse(async (event, stream) => {
    stream.write("first,");
    if (event.do === "fail")
        throw new RangeError("on purpose");
    await new Promise((done) => setTimeout(done, 50));
    stream.write("second");
    stream.end();
});
