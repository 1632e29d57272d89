// Runs the SQL of a request's body in the database of the object that the path names (`/Registry/registry`), and answers
// the rows of the last statement. `/` answers nothing, once it listens.
import { DurableObject } from 'cloudflare:workers';

class Patient extends DurableObject {
  async fetch(request) {
    return Response.json([...this.ctx.storage.sql.exec(await request.text()).raw()]);
  }
}

export class Registry extends Patient {}
export class Connection extends Patient {}
export class Directory extends Patient {}

export default {
  fetch(request, env) {
    const [, kind, name] = new URL(request.url).pathname.split('/');
    return kind ? env[kind].getByName(name).fetch(request) : new Response();
  },
};
