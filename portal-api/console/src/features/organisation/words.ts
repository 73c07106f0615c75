import { addWords } from '#/lib/words';
import organisation from '#/words/organisation.json';

// The words of the pages of an organization: who imports this has them.
addWords(organisation);
