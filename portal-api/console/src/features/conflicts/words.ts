import { addWords } from '#/lib/words';
import conflicts from '#/words/conflicts.json';

addWords(conflicts);
