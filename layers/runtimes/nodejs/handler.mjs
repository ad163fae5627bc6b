// From a handler's name to the function it names, tried in the order of Lambda's Node runtime: a file without extension, .js,
// .mjs, .cjs, then Node's own resolution.
import fs from 'node:fs';
import module, {createRequire} from 'node:module';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

import {runtimeVersion} from './environment.mjs';
import {explain, HandlerNotFound, ImportModuleError, MalformedHandlerName, UserCodeSyntaxError} from './errors.mjs';

const require = createRequire(import.meta.url);
const WITH_DEFAULT = 24; // from this runtime on the handler may be a member of what a module exports by default
const NAME = /^([^.]*)\.(.*)$/;

// A directory counts when Node finds a module in it.
function canRequire(file) {
    try {
        return fs.existsSync(file) && require.resolve(file) !== '';
    } catch {
        return false;
    }
}

export function forget(file) {
    delete require.cache[file];
}

function requireIfThere(file) {
    return fs.existsSync(file) ? require(file) : undefined;
}

// A package that the directory's own node_modules lack may be in NODE_PATH: Lambda's Node looks there for ES modules, too.
async function importFile(file) {
    const url = pathToFileURL(file).href;
    try {
        return await import(url);
    } catch (error) {
        if (error?.code !== 'ERR_MODULE_NOT_FOUND' || module.registerHooks || !module.register)
            throw error;
        // This Node has no hooks in the main thread. Those in a thread of their own are expensive, so they come when needed.
        module.register('./resolve.mjs', import.meta.url, {data: {paths: module.globalPaths}});
        return await import(`${url}?node-path`);
    }
}

async function importIfThere(file) {
    return fs.existsSync(file) ? importFile(file) : undefined;
}

// Whether a .js file there is an ES module, by the nearest package.json.
function isModuleFolder(folder) {
    if (folder.endsWith('/node_modules'))
        return false;
    const file = path.join(folder, 'package.json');
    if (fs.existsSync(file)) {
        try {
            return JSON.parse(fs.readFileSync(file, 'utf8'))?.type === 'module';
        } catch (error) {
            console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
            return false;
        }
    }
    return folder !== '/' && isModuleFolder(path.resolve(folder, '..'));
}

async function loadModule(root, folder, name) {
    const file = path.resolve(root, folder, name);
    const isModule = fs.existsSync(file + '.js') && isModuleFolder(path.dirname(file));
    if (!isModule && canRequire(file))
        return require(file);
    const found = (isModule ? await importFile(file + '.js') : requireIfThere(file + '.js')) ||
        await importIfThere(file + '.mjs') || requireIfThere(file + '.cjs');
    return found || require(require.resolve(name, {paths: [root, path.resolve(root, folder)]}));
}

async function loadExports(root, folder, name) {
    try {
        return await loadModule(root, folder, name);
    } catch (error) {
        explain(error);
        if (error instanceof SyntaxError)
            throw new UserCodeSyntaxError(error);
        if (error?.code === 'MODULE_NOT_FOUND')
            throw new ImportModuleError(error);
        throw error;
    }
}

// Stoke's links above the function's code, which ES modules are looked for by (sandbox/stages/template.c).
const LINKS = new Set(['/var/node_modules', '/node_modules']);
const FROM_TASK = /^file:\/\/\/var\/task\//, BY_LINK = /^file:\/\/\/(opt|var\/runtime)\//;

// The first that a directory of NODE_PATH has.
function fromNodePath(specifier, context, next) {
    for (const directory of module.globalPaths) {
        try {
            return next(specifier, {...context, parentURL: pathToFileURL(path.join(directory, '..', 'x')).href});
        } catch {
            continue;
        }
    }
    return undefined;
}

// require() finds layers and the SDK in NODE_PATH, in its order, and not by our links; ES modules find them as require() does.
export function resolveFromNodePath() {
    const own = module.Module._nodeModulePaths;
    module.Module._nodeModulePaths = (from) => own(from).filter((directory) => !LINKS.has(directory));
    module.registerHooks?.({
        resolve(specifier, context, next) {
            const bare = !/^(\.|\/|file:|node:|data:)/.test(specifier);
            try {
                const found = next(specifier, context);
                const linked = bare && FROM_TASK.test(context.parentURL) && BY_LINK.test(found.url);
                return linked && fromNodePath(specifier, context, next) || found;
            } catch (error) {
                const found = error?.code === 'ERR_MODULE_NOT_FOUND' && bare && fromNodePath(specifier, context, next);
                if (!found)
                    throw error;
                return found;
            }
        },
    });
}

// The function that handler ("dir/file.export.nested") names in root.
export async function load(root, handler) {
    if (handler.includes('..'))
        throw new MalformedHandlerName(`'${handler}' is not a valid handler name. Use absolute paths when specifying root ` +
            'directories in handler names.');
    const base = path.basename(handler);
    const match = NAME.exec(base);
    if (!match)
        throw new MalformedHandlerName('Bad handler');
    const exported = await loadExports(root, handler.slice(0, handler.indexOf(base)), match[1]);
    const lookUp = (from) => match[2].split('.').reduce((value, key) => value && value[key], from);
    const found = lookUp(exported) || (runtimeVersion() >= WITH_DEFAULT ? lookUp(exported?.default) : undefined);
    if (!found)
        throw new HandlerNotFound(`${handler} is undefined or not exported`);
    if (typeof found !== 'function')
        throw new HandlerNotFound(`${handler} is not a function`);
    return found;
}
