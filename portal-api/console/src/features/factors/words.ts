import { addWords } from '#/lib/words';
import security from '#/words/security.json';

addWords(security);
