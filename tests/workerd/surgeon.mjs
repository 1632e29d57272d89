// Runs the SQL of a request's body in the registry object's database and answers the rows of the last statement.
import { DurableObject } from 'cloudflare:workers';

export class Registry extends DurableObject {
  async fetch(request) {
    return Response.json([...this.ctx.storage.sql.exec(await request.text()).raw()]);
  }
}

export default { fetch: (request, env) => env.REGISTRY.getByName('registry').fetch(request) };
