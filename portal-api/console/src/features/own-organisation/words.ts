import { addWords } from '#/lib/words';
import own from '#/words/own-organisation.json';
import people from '#/words/people.json';

addWords(own);
addWords(people);
