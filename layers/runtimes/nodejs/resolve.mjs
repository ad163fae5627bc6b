// Resolution hooks for Node 18.19 to 22.14, in a thread of their own: what import does not find is looked for in NODE_PATH.
import path from 'node:path';
import {pathToFileURL} from 'node:url';

let paths = [];

export function initialize(data) {
    paths = data.paths;
}

export async function resolve(specifier, context, next) {
    try {
        return await next(specifier, context);
    } catch (error) {
        if (error?.code !== 'ERR_MODULE_NOT_FOUND' || /^(\.|\/|file:|node:|data:)/.test(specifier))
            throw error;
        for (const directory of paths) {
            try {
                return await next(specifier, {...context, parentURL: pathToFileURL(path.join(directory, '..', 'x')).href});
            } catch {
                continue;
            }
        }
        throw error;
    }
}
