// The bindings have no types of their own.
export default function ModuleFactory(options: object): Promise<any>;
