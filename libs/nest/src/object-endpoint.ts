/** The HttpHandler that answers all methods of /objects/<name>. Every module provides one; createApplication puts it before the router. */
export const OBJECT_ENDPOINT = Symbol('OBJECT_ENDPOINT');
