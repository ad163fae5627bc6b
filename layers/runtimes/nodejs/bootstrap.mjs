// The entry of a new, sealed worker: boots, waits until it gets a function, and becomes its runtime. Descriptor 3 is the channel
// to stoked, 4 the control socket (sandbox/zygote/zygote.h).
import * as channel from './channel.mjs';
import {apply, execAgain, needsExec, parse, setEnvironment} from './environment.mjs';
import {rehearse, run} from './worker.mjs';

await rehearse();
channel.send(channel.FD, channel.BOOTED, []);
let frame = channel.awaitGo() ? channel.receive(channel.FD) : null;
while (frame?.type === channel.EXTENSION) {
    const {startExtension} = await import('./extension.mjs');
    await startExtension(frame.fields[0], parse(frame.fields.slice(1)));
    frame = channel.receive(channel.FD);
}
if (frame === null)
    process.exit(0); // the room is over
if (frame.type !== channel.START)
    throw new Error(`a frame of type ${frame.type} instead of START`);
const env = parse(frame.fields);
setEnvironment(env);
await run(() => {
    if (needsExec(env))
        execAgain();
    return apply();
});
