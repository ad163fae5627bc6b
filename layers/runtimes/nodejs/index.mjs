// The entry of a worker that was exec'd again: START and GO are past, the environment is the function's already.
import {apply} from './environment.mjs';
import {run} from './worker.mjs';

await run(apply);
