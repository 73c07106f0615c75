import { addWords } from '#/lib/words';
import records from '#/words/records.json';

addWords(records);
