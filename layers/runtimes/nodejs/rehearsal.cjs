// The handler of the rehearsal: what it makes Node compile and load, a request need not wait for.
exports.handler = async (event, context) => {
    console.log('rehearsal', event);
    return {statusCode: 200, body: JSON.stringify(event.rehearsal), left: context.getRemainingTimeInMillis()};
};
