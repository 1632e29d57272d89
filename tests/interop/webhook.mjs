// A receiver of webhooks: the npm package `standardwebhooks`.
import { Webhook } from 'standardwebhooks';
import { converse } from './conversation.mjs';

/** What a message says, once it is found genuine. */
function message({ secret, headers, body }) {
  return new Webhook(secret).verify(body, Object.fromEntries(headers));
}

await converse({ message }, (error) => ({ error: error.name }));
